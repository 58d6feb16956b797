//! One-class support vector machine: the region that most rows lie in.

mod one_class_svm;
mod solver;

pub use one_class_svm::{OneClassSvm, SvmConfig};
