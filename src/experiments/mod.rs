//! Published tables, the runs that regenerate their rows, and the comparison.
