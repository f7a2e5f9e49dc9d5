//! The grammar that the captions need: numbers, plurals, articles, lists.

use crate::util::rng::Rng;

/// "one".."six", "several" for 7 to 9, "many" from 10.
pub(super) fn number(count: usize) -> &'static str {
    const WORDS: [&str; 7] = ["no", "one", "two", "three", "four", "five", "six"];
    WORDS.get(count).copied().unwrap_or(if count < 10 { "several" } else { "many" })
}

/// A count with its noun phrase, whose last word is the noun: "a boat", "one boat", "five boats", "lots of boats".
pub(super) fn counted(count: usize, noun: &str, rng: &mut Rng) -> String {
    match count {
        1 if rng.chance(0.5) => a(noun),
        1 => format!("one {noun}"),
        10.. if rng.chance(0.4) => format!("lots of {}", plural(noun)),
        _ => format!("{} {}", number(count), plural(noun)),
    }
}

/// With its article: "a road", "an orange roof".
pub(super) fn a(phrase: &str) -> String {
    let vowel = phrase.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {phrase}", if vowel { "an" } else { "a" })
}

/// Plural of a phrase by its last word.
pub(super) fn plural(phrase: &str) -> String {
    let ends = |endings: &[&str]| endings.iter().any(|ending| phrase.ends_with(ending));
    if ends(&["sh", "ch", "s", "x"]) { format!("{phrase}es") } else { format!("{phrase}s") }
}

/// "is" or "are".
pub(super) fn is(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// "a", "a and b", "a and b and c": the corpora have no commas.
pub(super) fn and(parts: &[String]) -> String {
    parts.join(" and ")
}

/// Words that mean the same in these captions.
const SYNONYMS: [&[&str]; 9] = [
    &["near", "beside", "next to"],
    &["many", "lots of"],
    &["baseball field", "baseball diamond"],
    &["baseball fields", "baseball diamonds"],
    &["airplanes", "planes"],
    &["sea", "ocean"],
    &["meadow", "grassland"],
    &["farmland", "cropland"],
    &["this is", "it is"],
];

/// A sentence with one of each group of synonyms in place of the one that it has: the sentences of an image differ in
/// them, so that no choice of theirs hangs on the image.
pub(super) fn varied(sentence: &str, rng: &mut Rng) -> String {
    let mut text = format!(" {sentence} .");
    for group in SYNONYMS {
        let Some(chosen) = rng.pick(group) else { continue };
        for member in group {
            // A last "beside" has no object that "near" could take.
            let (found, last) = (format!(" {member} "), format!(" {member} ."));
            if text.contains(&found) && !(text.ends_with(&last) && *member == "beside") {
                text = text.replace(&found, &format!(" {chosen} "));
                break;
            }
        }
    }
    text.trim_end_matches(" .").trim_start().to_string()
}

/// Joins the parts that are not empty by single spaces.
pub(super) fn sentence(parts: &[&str]) -> String {
    parts.iter().flat_map(|part| part.split_whitespace()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_plurals_and_articles_follow_english() {
        let mut rng = Rng::new(&[1]);
        assert_eq!(counted(3, "white boat", &mut rng), "three white boats");
        assert_eq!(counted(8, "bush", &mut rng), "several bushes");
        assert_eq!(varied("houses with a road beside", &mut rng), "houses with a road beside");
        assert_eq!(a("orange roof"), "an orange roof");
        assert_eq!(sentence(&["a road", "", " with trees"]), "a road with trees");
        assert_eq!(and(&["green".into(), "brown".into()]), "green and brown");
    }
}
