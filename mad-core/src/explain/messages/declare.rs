//! The macros that declare messages.

/// Declares groups of messages: `GROUP { NAME(PLACEHOLDER, ...) [TEXT FOR ONE] TEXT; }`.
macro_rules! messages {
    ($($group:ident {$(
        $name:ident($($value:ident),*) $([$one:literal])? $text:literal;
    )+})+) => {
        $(pub(in crate::explain) mod $group {
            use crate::explain::message::Message;
            use crate::explain::phrase::Phrase;

            pub(in crate::explain) const MESSAGES: &[Message] = &[$(
                crate::explain::messages::declare::single!($group $name($($value),*) $([$one])? $text)
            ),+];

            $(pub(in crate::explain) fn $name($($value: impl Into<Phrase>),*) -> Phrase {
                const MESSAGE: &Message =
                    &crate::explain::messages::declare::single!($group $name($($value),*) $([$one])? $text);
                Phrase::Message(MESSAGE, vec![$($value.into()),*])
            })+
        })+
    };
}
pub(super) use messages as groups;

/// One message.
macro_rules! message {
    (@one) => { None };
    (@one $one:literal) => { Some($one) };
    ($group:ident $name:ident($($value:ident),*) $([$one:literal])? $text:literal) => {
        crate::explain::message::Message {
            key: concat!(stringify!($group), ".", stringify!($name)),
            placeholders: &[$(stringify!($value)),*],
            one: crate::explain::messages::declare::single!(@one $($one)?),
            text: $text,
        }
    };
}
pub(super) use message as single;
