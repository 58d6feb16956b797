//! What fitted models share: standardisation, and fitting again on the newest rows.

mod scaler;
mod windowed;

pub use scaler::StandardScaler;
pub use windowed::{RowModel, WindowConfig, WindowedModel};
