//! Words that keep their full stop.

/// What a known abbreviation asks of what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abbreviation {
    /// Keeps its stop anywhere.
    Always,
    /// Keeps its stop only before a number: `no. 5`.
    BeforeNumber,
}

const ALWAYS: &[&str] = &[
    "adm", "apr", "ariz", "assn", "aug", "av", "ave", "bldg", "blvd", "brig", "bros", "calif", "capt", "cf", "cmdr",
    "co", "col", "colo", "conn", "corp", "cpl", "ct", "dec", "del", "dept", "dr", "drs", "esq", "est", "etc", "feb",
    "fla", "fri", "ft", "ga", "gen", "gov", "hon", "hwy", "ill", "inc", "ind", "intl", "jan", "jr", "jul", "jun",
    "kan", "ky", "la", "lt", "ltd", "maj", "mar", "mass", "md", "messrs", "mfg", "mich", "minn", "miss", "mo", "mon",
    "mont", "mr", "mrs", "ms", "mt", "neb", "nev", "nov", "oct", "okla", "ore", "pa", "ph", "prof", "prop", "pvt",
    "rep", "reps", "rev", "sat", "sen", "sens", "sep", "sept", "sgt", "sr", "st", "ste", "supt", "tenn", "tex", "thu",
    "tue", "tues", "univ", "va", "vs", "vt", "wash", "wed", "wis", "wyo",
];

const BEFORE_NUMBER: &[&str] = &["art", "fig", "figs", "no", "nos", "pp", "p"];

/// Looks a word (without its stop) up, whatever its case.
pub(super) fn find(word: &[char]) -> Option<Abbreviation> {
    if word.len() > 6 {
        return None;
    }
    let mut lower = [0u8; 6];
    for (byte, c) in lower.iter_mut().zip(word) {
        *byte = u8::try_from(*c).ok()?.to_ascii_lowercase();
    }
    let lower = std::str::from_utf8(lower.get(..word.len())?).ok()?;
    if ALWAYS.binary_search(&lower).is_ok() {
        Some(Abbreviation::Always)
    } else if BEFORE_NUMBER.contains(&lower) {
        Some(Abbreviation::BeforeNumber)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_for_its_search() {
        assert!(ALWAYS.is_sorted());
    }
}
