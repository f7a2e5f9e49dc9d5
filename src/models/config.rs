//! The `model` block of an experiment: the settings of any model, and what the rest of the program asks of a model
//! before it is built.

use super::first_stage::StageNeeds;
use super::{Captioner, Inputs, cssa, fe_lws, jtts, s2cpnet};
use crate::config::Checks;
use crate::data::attributes::Rules;
use crate::data::masks::MaskRules;
use crate::data::nouns::NounRules;
use serde::de::{DeserializeOwned, DeserializeSeed, EnumAccess, Error as _, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use tch::nn;

/// The models of this program. Another one is a folder beside theirs and a line here.
const MODELS: [ModelKind; 4] = [
    ModelKind::of::<fe_lws::Config>(),
    ModelKind::of::<cssa::Config>(),
    ModelKind::of::<jtts::Config>(),
    ModelKind::of::<s2cpnet::Config>(),
];

/// Models that programs using this library have added.
static REGISTERED: RwLock<Vec<ModelKind>> = RwLock::new(Vec::new());

/// What an encoder's features are to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureKind {
    /// The feature map's mean over its grid, `[C]`.
    Pooled,
    /// The feature map, `[C, H, W]`.
    Grid,
}

impl FeatureKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pooled => "pooled",
            Self::Grid => "grid",
        }
    }
}

/// The rest of an experiment, as far as a model's settings must fit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surroundings {
    /// Number of encoders.
    pub encoders: usize,
    /// Whether there is a first training stage.
    pub first_stage: bool,
    /// Longest caption in words, where `data.vocabulary` says it.
    pub max_length: Option<usize>,
}

/// How the nouns of an image are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NounSearch {
    /// Steps of the search, the end among them.
    pub steps: usize,
    /// Only the best hypothesis of each step goes on.
    pub best_only: bool,
}

/// Word vectors from which an embedding of attributes starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttributeVectors<'a> {
    /// Word vectors in GloVe's text form; none: the embedding stays random.
    pub file: Option<&'a Path>,
    /// Numbers in each vector.
    pub width: usize,
    /// Name of the embedding, `[A, width]`, among the model's parameters.
    pub parameter: &'static str,
}

/// The settings of a model: what YAML says of it, and everything that the program must know of the model beside its
/// [`Captioner`].
pub trait ModelSettings: Any + fmt::Debug + Send + Sync + erased_serde::Serialize {
    /// Key of these settings below `model`, and folder of the paper's tables below `experiments/`.
    fn key() -> &'static str
    where
        Self: Sized;

    /// Short name of what the switches make of the model, for folder names; `first_stage`: whether it has one.
    fn variant(&self, first_stage: bool) -> String;

    /// What the model looks at.
    fn features(&self) -> FeatureKind {
        FeatureKind::Grid
    }

    /// Which words are the model's attributes, where it has any.
    fn attributes(&self) -> Option<&Rules> {
        None
    }

    /// The vectors from which the attributes of a new model start, where it has any.
    fn attribute_vectors(&self) -> Option<AttributeVectors<'_>> {
        None
    }

    /// Which mask pictures the model looks at beside the images, where it does.
    fn masks(&self) -> Option<&MaskRules> {
        None
    }

    /// Which words of a caption are the nouns that the model predicts, where it does.
    fn nouns(&self) -> Option<&NounRules> {
        None
    }

    /// How the model's nouns are searched, where it predicts them.
    fn noun_search(&self) -> Option<NounSearch> {
        self.nouns().map(|rules| NounSearch { steps: rules.max + 1, best_only: false })
    }

    /// What the model's first training stage needs; `None` where it has no such stage.
    fn first_stage(&self) -> Option<StageNeeds<'_>> {
        None
    }

    /// The weight of a term of the captioning stage's loss in an epoch, from 1; 0 leaves it out.
    fn weight(&self, term: &str, epoch: usize) -> f64 {
        let _ = (term, epoch);
        1.0
    }

    /// Adds what is wrong with these settings to `checks`.
    fn check(&self, around: &Surroundings, checks: &mut Checks);

    /// A new model with its parameters below `path`.
    fn build(&self, path: &nn::Path, inputs: &Inputs) -> Box<dyn Captioner>;
}

/// The settings of one of the models; in YAML a map with the model as its one key: `model: {fe_lws: {layers: 3}}`.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    key: &'static str,
    settings: Arc<dyn ModelSettings>,
}

impl ModelConfig {
    pub fn new<T: ModelSettings>(settings: T) -> Self {
        Self { key: T::key(), settings: Arc::new(settings) }
    }

    /// The model's key in YAML.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// The settings, if they are of this model.
    pub fn get<T: ModelSettings>(&self) -> Option<&T> {
        let settings: &dyn Any = &*self.settings;
        settings.downcast_ref()
    }
}

impl Deref for ModelConfig {
    type Target = dyn ModelSettings;

    fn deref(&self) -> &Self::Target {
        &*self.settings
    }
}

/// Equal settings are those that are written equally.
impl PartialEq for ModelConfig {
    fn eq(&self, other: &Self) -> bool {
        match (serde_json::to_value(self), serde_json::to_value(other)) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            _ => false,
        }
    }
}

impl Serialize for ModelConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Erased<'a>(&'a dyn ModelSettings);
        impl Serialize for Erased<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                erased_serde::serialize(self.0, serializer)
            }
        }
        serializer.serialize_newtype_variant("model", 0, self.key, &Erased(&*self.settings))
    }
}

/// A model that experiments can name.
#[derive(Debug, Clone, Copy)]
pub struct ModelKind {
    key: fn() -> &'static str,
    read: fn(&mut dyn erased_serde::Deserializer) -> erased_serde::Result<ModelConfig>,
}

impl ModelKind {
    /// The model of these settings.
    pub const fn of<T: ModelSettings + DeserializeOwned>() -> Self {
        Self { key: T::key, read: |deserializer| Ok(ModelConfig::new(erased_serde::deserialize::<T>(deserializer)?)) }
    }
}

/// Makes a model known to experiment files, from now on and in the whole process; one of the same key is replaced.
pub fn register(kind: ModelKind) {
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    registered.retain(|known| (known.key)() != (kind.key)());
    registered.push(kind);
}

fn known() -> Vec<ModelKind> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    MODELS.iter().chain(registered.iter()).copied().collect()
}

impl<'de> Deserialize<'de> for ModelConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOf;
        impl<'de> Visitor<'de> for OneOf {
            type Value = ModelConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a model")
            }

            fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<ModelConfig, A::Error> {
                let (kind, settings) = access.variant::<Named>()?;
                settings.newtype_variant_seed(Settings(kind.0))
            }
        }
        // What reads an enum needs the choices in advance only for formats that number them.
        deserializer.deserialize_enum("model", &[], OneOf)
    }
}

/// A model by its key.
struct Named(ModelKind);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        let known = known();
        let names: Vec<String> = known.iter().map(|kind| format!("`{}`", (kind.key)())).collect();
        let found = known.into_iter().find(|kind| (kind.key)() == key);
        // The words of serde, which are turned into the user's where settings are read.
        let unknown = || D::Error::custom(format!("unknown variant `{key}`, expected one of {}", names.join(", ")));
        found.map(Named).ok_or_else(unknown)
    }
}

/// Reads the settings of a model.
struct Settings(ModelKind);

impl<'de> DeserializeSeed<'de> for Settings {
    type Value = ModelConfig;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ModelConfig, D::Error> {
        (self.0.read)(&mut <dyn erased_serde::Deserializer>::erase(deserializer)).map_err(D::Error::custom)
    }
}
