//! Programs that use `mad-core` the way a service would; each is a binary beside this file, and
//! the tests run them.
