//! Templates of log lines: the text that lines have in common, with `<*>` for what varies.
//!
//! ```
//! use mad_core::LogTemplates;
//!
//! let mut templates = LogTemplates::new(1000);
//! let first = templates.learn(b"order 17 of ada paid after 12 ms");
//! assert_eq!(templates.learn(b"order 18 of ada paid after 9 ms"), first);
//! assert_ne!(templates.learn(b"payment gateway does not answer"), first);
//! let all: Vec<String> = templates.templates().into_iter().map(|known| known.text).collect();
//! assert_eq!(all, ["order <*> of ada paid after <*> ms", "payment gateway does not answer"]);
//! ```

mod change;
mod cluster;
mod context;
mod evidence;
mod key_map;
mod mask;
mod pieces;
mod state;
mod template;
mod templates;
mod text;
mod token;
mod tokenize;
mod variation;

pub use change::LogChange;
pub use cluster::{LogCluster, cluster};
pub use templates::{LogTemplate, LogTemplates};
pub(crate) use tokenize::FormReader;
