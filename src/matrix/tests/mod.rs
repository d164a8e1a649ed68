//! What the parser makes of real bodies, wrong bodies, random bodies and hostile bodies.

mod forgiveness;
mod homeservers;
mod hostile;
mod oracle;
mod properties;
mod refusals;
