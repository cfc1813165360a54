//! Closed choices a caller makes, and the one macro that makes them.

use crate::domain::argument::schema::inline_schema;

/// Makes an enum of fixed words: a plain `enum` of strings in the schema, checked by the same list.
macro_rules! checked_choice {
    (
        $(#[$meta:meta])*
        $name:ident, expected $expected:literal, example $example:literal,
        $($variant:ident = $word:literal $(| $also:literal)*),+
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $(
                #[doc = concat!("`", $word, "`")]
                $variant,
            )+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        $crate::domain::argument::schema::inline_schema!($name, { "type": "string", "enum": [$($word),+] });

        impl $crate::domain::argument::value::Argument for $name {
            const EXPECTED: &'static str = $expected;
            const EXAMPLE: &'static str = $example;

            fn parse(value: &serde_json::Value) -> Result<Self, String> {
                match value.as_str() {
                    $(Some($word $(| $also)*) => Ok(Self::$variant),)+
                    Some(_) => Err("it is none of the choices".to_owned()),
                    None => Err(format!("it is {}, not a text", $crate::domain::argument::value::kind_of(value))),
                }
            }

            fn nearest(wrong: &str) -> Option<String> {
                $crate::domain::nearest::did_you_mean(wrong, [$($word),+]).map(str::to_owned)
            }
        }
    };
}
pub(crate) use checked_choice;

/// A yes or a no that decides about nothing but what is shown: `"true"` is read as well. A flag that lets something happen is a
/// `bool`, into which nothing is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct YesNo(bool);

impl YesNo {
    /// Whether it is a yes.
    pub fn is_yes(self) -> bool {
        self.0
    }
}

inline_schema!(YesNo, { "type": "boolean" });

impl crate::domain::argument::value::Argument for YesNo {
    const EXPECTED: &'static str = "true or false";
    const EXAMPLE: &'static str = "true";

    fn parse(value: &serde_json::Value) -> Result<Self, String> {
        match value {
            serde_json::Value::Bool(yes) => Ok(Self(*yes)),
            serde_json::Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Self(true)),
            serde_json::Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Self(false)),
            serde_json::Value::String(_) => Err("it is neither true nor false".to_owned()),
            other => Err(format!("it is {}, not a boolean", crate::domain::argument::value::kind_of(other))),
        }
    }
}

checked_choice! {
    /// The direction of calls that an assignment covers.
    Direction, expected "inbound or outbound", example "inbound",
    Inbound = "inbound", Outbound = "outbound"
}

impl Direction {
    /// Both, in the order they are shown.
    pub const BOTH: [Self; 2] = [Self::Inbound, Self::Outbound];

    /// Its own of two things that stand in the order of [`Self::BOTH`].
    pub fn of<T>(self, both: [T; 2]) -> T {
        let [inbound, outbound] = both;
        match self {
            Self::Inbound => inbound,
            Self::Outbound => outbound,
        }
    }
}

checked_choice! {
    /// The directions of calls that a call of a tool is about.
    Directions, expected "inbound, outbound or both", example "inbound",
    Inbound = "inbound", Outbound = "outbound", Both = "both"
}

impl Directions {
    /// The first of them. A call about both is split before it is planned, so it is the only one then.
    pub fn first(self) -> Direction {
        match self {
            Self::Inbound | Self::Both => Direction::Inbound,
            Self::Outbound => Direction::Outbound,
        }
    }
}

checked_choice! {
    /// The kind of number to search for.
    NumberType, expected "local, toll_free, mobile or national", example "local",
    Local = "local", TollFree = "toll_free" | "toll-free", Mobile = "mobile", National = "national"
}

checked_choice! {
    /// How far an operation has come.
    OperationState, expected "begun, sent, done, refused or unknown", example "unknown",
    Begun = "begun", Sent = "sent", Done = "done", Refused = "refused", Unknown = "unknown"
}

checked_choice! {
    /// By what a list of numbers is sorted.
    NumberSort, expected "created, number or monthly", example "created",
    Created = "created", Number = "number", Monthly = "monthly"
}

checked_choice! {
    /// What a list of numbers shows only if it is asked for.
    NumberColumn, expected "created, place or monthly", example "monthly",
    Created = "created", Place = "place", Monthly = "monthly"
}

/// What a list of numbers shows beside its usual facts, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberColumns(Vec<NumberColumn>);

impl NumberColumns {
    /// Whether this column is asked for.
    pub fn has(&self, column: NumberColumn) -> bool {
        self.0.contains(&column)
    }
}

impl schemars::JsonSchema for NumberColumns {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NumberColumns".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "array", "items": NumberColumn::json_schema(generator) })
    }
}

/// An array of names, or a text with commas: some clients send a list as a text.
impl crate::domain::argument::value::Argument for NumberColumns {
    const EXPECTED: &'static str = "an array of created, place or monthly";
    const EXAMPLE: &'static str = "[\"monthly\"]";

    fn parse(value: &serde_json::Value) -> Result<Self, String> {
        let named: Vec<serde_json::Value> = match value {
            serde_json::Value::Array(items) => items.clone(),
            serde_json::Value::String(text) => text.split(',').map(|name| name.trim().into()).collect(),
            other => return Err(format!("it is {}, not an array", crate::domain::argument::value::kind_of(other))),
        };
        let mut columns = Vec::new();
        for name in &named {
            let column = <NumberColumn as crate::domain::argument::value::Argument>::parse(name)?;
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        Ok(Self(columns))
    }

    fn nearest(wrong: &str) -> Option<String> {
        <NumberColumn as crate::domain::argument::value::Argument>::nearest(wrong)
    }
}

checked_choice! {
    /// Which operations are listed: those that were sent or may yet be, or this server's refusals and previews as well.
    OperationSelection, expected "changes or all", example "all",
    Changes = "changes", All = "all"
}
