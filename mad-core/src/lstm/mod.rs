//! LSTM autoencoder: how badly a network that has learnt to repeat short sequences of rows repeats the
//! newest one.

mod adam;
mod autoencoder;
mod cell;
mod dense;
mod network;

pub use autoencoder::{AutoencoderConfig, LstmAutoencoder};
pub use network::Network;
