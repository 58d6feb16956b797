//! Plain records in, and what is rejected and why.

mod rejection;
mod request;

pub use rejection::{RejectReason, Rejected, Rejections};
pub use request::Request;
