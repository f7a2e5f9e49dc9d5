//! Image features of frozen encoders, computed once and cached on disk.
