//! The Porter stemmer as NLTK runs it (`PorterStemmer`, mode `NLTK_EXTENSIONS`): Porter, Program 14(3), 1980, with a
//! pool of irregular forms and the departures that NLTK documents. rouge-score and NLTK's METEOR stem with it.

/// Words that go straight to their stem.
const IRREGULAR: [(&str, &str); 16] = [
    ("sky", "sky"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("innings", "inning"),
    ("inning", "inning"),
    ("outings", "outing"),
    ("outing", "outing"),
    ("cannings", "canning"),
    ("canning", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
    ("exceed", "exceed"),
    ("succeed", "succeed"),
];

const STEP_2: [(&str, &str); 21] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
];

const STEP_3: [(&str, &str); 7] =
    [("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")];

const STEP_4: [&str; 19] = [
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti",
    "ous", "ive", "ize",
];

/// The stem of a word; the word is put in lower case first.
pub(super) fn stem(word: &str) -> String {
    let lower = word.to_lowercase();
    if let Some((_, stem)) = IRREGULAR.iter().find(|(form, _)| *form == lower) {
        return (*stem).to_owned();
    }
    if word.chars().count() <= 2 {
        return lower;
    }
    let steps = [step_1a, step_1b, step_1c, step_2, step_3, step_4, step_5a, step_5b];
    let chars = steps.iter().fold(lower.chars().collect::<Vec<char>>(), |word, step| step(word));
    chars.into_iter().collect()
}

/// The word without an ending that it has.
fn without<'w>(word: &'w [char], suffix: &str) -> Option<&'w [char]> {
    let stem = word.get(..word.len().checked_sub(suffix.chars().count())?)?;
    word.get(stem.len()..)?.iter().copied().eq(suffix.chars()).then_some(stem)
}

fn joined(stem: &[char], suffix: &str) -> Vec<char> {
    stem.iter().copied().chain(suffix.chars()).collect()
}

/// Of each letter, whether it is a consonant: `y` is one unless it follows a consonant.
fn consonants(word: &[char]) -> Vec<bool> {
    let mut flags = Vec::with_capacity(word.len());
    for letter in word {
        let consonant = match letter {
            'a' | 'e' | 'i' | 'o' | 'u' => false,
            'y' => flags.last().is_none_or(|before: &bool| !before),
            _ => true,
        };
        flags.push(consonant);
    }
    flags
}

/// Porter's m: how often a consonant follows a vowel.
fn measure(stem: &[char]) -> usize {
    consonants(stem).windows(2).filter(|pair| matches!(pair, [false, true])).count()
}

fn has_vowel(stem: &[char]) -> bool {
    consonants(stem).contains(&false)
}

/// Porter's *o, and for words of two letters vowel and consonant.
fn ends_short(word: &[char]) -> bool {
    match (consonants(word).as_slice(), word.last()) {
        ([false, true], _) => true,
        ([.., true, false, true], Some(last)) => !matches!(last, 'w' | 'x' | 'y'),
        _ => false,
    }
}

/// The first rule whose ending the word has decides, by its condition, whether anything changes.
fn replaced(word: Vec<char>, rules: &[(&str, &str)], condition: impl Fn(&[char]) -> bool) -> Vec<char> {
    for (suffix, replacement) in rules {
        if let Some(stem) = without(&word, suffix) {
            return if condition(stem) { joined(stem, replacement) } else { word };
        }
    }
    word
}

fn step_1a(word: Vec<char>) -> Vec<char> {
    match without(&word, "ies") {
        Some(stem @ [_]) => joined(stem, "ie"),
        _ => replaced(word, &[("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", "")], |_| true),
    }
}

fn step_1b(word: Vec<char>) -> Vec<char> {
    if let Some(stem) = without(&word, "ied") {
        return joined(stem, if stem.len() == 1 { "ie" } else { "i" });
    }
    if let Some(stem) = without(&word, "eed") {
        return if measure(stem) > 0 { joined(stem, "ee") } else { word };
    }
    let Some(stem) = ["ed", "ing"].iter().find_map(|suffix| without(&word, suffix).filter(|stem| has_vowel(stem)))
    else {
        return word;
    };
    for (suffix, replacement) in [("at", "ate"), ("bl", "ble"), ("iz", "ize")] {
        if let Some(shorter) = without(stem, suffix) {
            return joined(shorter, replacement);
        }
    }
    match stem {
        [rest @ .., before, last] if before == last && consonants(stem).last() == Some(&true) => {
            if matches!(last, 'l' | 's' | 'z') { stem.to_vec() } else { joined(rest, &last.to_string()) }
        }
        _ if measure(stem) == 1 && ends_short(stem) => joined(stem, "e"),
        _ => stem.to_vec(),
    }
}

fn step_1c(word: Vec<char>) -> Vec<char> {
    replaced(word, &[("y", "i")], |stem| stem.len() > 1 && consonants(stem).last() == Some(&true))
}

fn step_2(word: Vec<char>) -> Vec<char> {
    if let Some(stem) = without(&word, "alli").filter(|stem| measure(stem) > 0) {
        return step_2(joined(stem, "al"));
    }
    if !STEP_2.iter().any(|(suffix, _)| without(&word, suffix).is_some())
        && let (Some(stem), Some(measured)) = (without(&word, "logi"), word.get(..word.len().saturating_sub(3)))
    {
        return if measure(measured) > 0 { joined(stem, "log") } else { word };
    }
    replaced(word, &STEP_2, |stem| measure(stem) > 0)
}

fn step_3(word: Vec<char>) -> Vec<char> {
    replaced(word, &STEP_3, |stem| measure(stem) > 0)
}

fn step_4(word: Vec<char>) -> Vec<char> {
    for suffix in STEP_4 {
        if let Some(stem) = without(&word, suffix) {
            let fits = measure(stem) > 1 && (suffix != "ion" || matches!(stem.last(), Some('s' | 't')));
            return if fits { stem.to_vec() } else { word };
        }
    }
    word
}

fn step_5a(word: Vec<char>) -> Vec<char> {
    match without(&word, "e") {
        Some(stem) if measure(stem) > 1 || (measure(stem) == 1 && !ends_short(stem)) => stem.to_vec(),
        _ => word,
    }
}

fn step_5b(word: Vec<char>) -> Vec<char> {
    match (without(&word, "ll"), without(&word, "l")) {
        (Some(_), Some(shorter)) if measure(shorter) > 1 => shorter.to_vec(),
        _ => word,
    }
}
