//! ntp.conf: the configuration of ntpd, classic (4.2) and NTPsec.
//!
//! [`directives`] is the syntax as data, [`scan`] splits lines as ntpd's scanner does, [`parse`]
//! reads a file with what it includes. ntpd applies the good part of a bad line and goes on; the
//! parser does the same and says where the line went wrong.

pub mod directives;
pub mod parse;
pub mod scan;
pub mod statement;

pub use directives::Dialect;
pub use parse::Loaded;
pub use parse::load;
pub use parse::load_text;
pub use statement::Address;
pub use statement::Body;
pub use statement::Opt;
pub use statement::Statement;
pub use statement::Term;
