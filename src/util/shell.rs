//! Words of a command line.

/// A word as a shell needs it written.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The command that this process was started by, as one would type it.
pub fn this_command() -> Vec<String> {
    std::env::args_os().map(|word| quoted(&word.to_string_lossy())).collect()
}

/// A command that goes on where `words`, which train something, were interrupted.
pub fn continuing(mut words: Vec<String>) -> String {
    words.retain(|word| word != "--overwrite" && word != "--resume");
    words.push("--resume".into());
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_interrupted_goes_on_with_the_same_settings() {
        let command = |words: &[&str]| continuing(words.iter().map(ToString::to_string).collect());
        let expected = "rsic train a.yaml train.seed=2 --output b --resume";
        assert_eq!(command(&["rsic", "train", "a.yaml", "--overwrite", "train.seed=2", "--output", "b"]), expected);
        assert_eq!(command(&["rsic", "train", "a.yaml", "train.seed=2", "--output", "b", "--resume"]), expected);
    }

    #[test]
    fn the_command_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("--weights=a/b.c"), "--weights=a/b.c");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
