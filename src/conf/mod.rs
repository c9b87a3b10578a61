//! Configuration files to types, with spans for diagnostics. Pure: the text is an argument.
#![forbid(unsafe_code)]
