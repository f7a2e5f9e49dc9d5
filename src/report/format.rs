//! How numbers and durations are written.

use crate::experiments::compare::Measured;

/// What stands in a cell without a number.
pub const MISSING: &str = "-";

/// How a markup language writes a character.
pub enum Escaped {
    Not,
    Backslash,
    As(&'static str),
}

/// Text on one line, each character as `rule` says.
pub fn escape(text: &str, rule: impl Fn(char) -> Escaped) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match rule(c) {
            Escaped::As(name) => out.push_str(name),
            Escaped::Backslash => out.extend(['\\', c]),
            Escaped::Not if matches!(c, '\n' | '\r') => out.push(' '),
            Escaped::Not => out.push(c),
        }
    }
    out
}

/// Four decimals, as the papers print scores.
pub fn score(value: f64) -> String {
    format!("{value:.4}")
}

/// `0.8123 ±0.0042`; without the spread for a single seed.
pub fn measured(value: &Measured) -> String {
    match value.std {
        Some(std) => format!("{:.4} ±{std:.4}", value.mean),
        None => score(value.mean),
    }
}

/// A difference with its sign, `+0.0012`; what rounds to nothing has none.
pub fn difference(value: f64) -> String {
    let text = format!("{value:+.4}");
    if text.trim_start_matches(['+', '-']).chars().all(|c| c == '0' || c == '.') { score(0.0) } else { text }
}

/// `45 s`, `12 min 3 s`, `1 h 02 min`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return MISSING.into();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_carry_a_sign_unless_they_round_to_nothing() {
        assert_eq!(difference(0.00123), "+0.0012");
        assert_eq!(difference(-0.5), "-0.5000");
        assert_eq!(difference(-0.00001), "0.0000");
    }

    #[test]
    fn durations_read_well_at_every_size() {
        assert_eq!(duration(2.34), "2.3 s");
        assert_eq!(duration(59.7), "1 min 0 s");
        assert_eq!(duration(723.0), "12 min 3 s");
        assert_eq!(duration(3725.0), "1 h 02 min");
        assert_eq!(duration(f64::NAN), "-");
    }
}
