//! Reading JSON so that one text has one meaning, and takes little memory.
//!
//! `serde_json` alone takes a list for an object if its values stand in the right order; another
//! reader of the same signed text would not. It also turns a few bytes into many: an empty string of
//! three bytes takes twenty-four of memory. Both are refused here, whatever the type that is read.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::limits::JSON_DEPTH_MAX;

/// What is left to be read.
#[derive(Clone, Copy)]
pub(super) struct Budget<'a> {
    depth: usize,
    values: &'a Cell<usize>,
}

impl<'a> Budget<'a> {
    pub(super) const fn new(values: &'a Cell<usize>) -> Self {
        Self {
            depth: JSON_DEPTH_MAX,
            values,
        }
    }

    /// Takes one value.
    fn spend<E: serde::de::Error>(self) -> Result<(), E> {
        let left = self.values.get().checked_sub(1);
        self.values
            .set(left.ok_or_else(|| E::custom("it has more values than a reader takes"))?);
        Ok(())
    }

    /// Goes one level deeper.
    fn descend<E: serde::de::Error>(mut self) -> Result<Self, E> {
        let left = self.depth.checked_sub(1);
        self.depth = left.ok_or_else(|| E::custom("it is nested too deep"))?;
        Ok(self)
    }
}

/// A reader, visitor or part of a text, with the budget that goes with it.
pub(super) struct Strict<'a, T> {
    inner: T,
    budget: Budget<'a>,
    /// Whether an object is expected, for which a list will not do.
    is_object: bool,
}

impl<'a, T> Strict<'a, T> {
    pub(super) const fn new(inner: T, budget: Budget<'a>) -> Self {
        Self {
            inner,
            budget,
            is_object: false,
        }
    }

    const fn object(inner: T, budget: Budget<'a>) -> Self {
        Self {
            inner,
            budget,
            is_object: true,
        }
    }
}

macro_rules! forward {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.budget.spend()?;
            self.inner.$method(Strict::new(visitor, self.budget))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, D> {
    type Error = D::Error;

    forward! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32
        deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_option deserialize_unit
        deserialize_seq deserialize_map deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.budget.spend()?;
        self.inner
            .deserialize_unit_struct(name, Strict::new(visitor, self.budget))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner
            .deserialize_newtype_struct(name, Strict::new(visitor, self.budget))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.budget.spend()?;
        self.inner
            .deserialize_tuple(length, Strict::new(visitor, self.budget))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.budget.spend()?;
        self.inner
            .deserialize_tuple_struct(name, length, Strict::new(visitor, self.budget))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.budget.spend()?;
        self.inner
            .deserialize_struct(name, fields, Strict::object(visitor, self.budget))
    }

    // What a variant of an enumeration holds is a word in all our documents.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.budget.spend()?;
        self.inner.deserialize_enum(name, variants, visitor)
    }
}

macro_rules! pass_on {
    ($($method:ident: $type:ty)*) => {$(
        fn $method<E: serde::de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    pass_on! {
        visit_bool: bool visit_i64: i64 visit_u64: u64 visit_f64: f64 visit_str: &str
        visit_borrowed_str: &'de str visit_string: String visit_bytes: &[u8]
        visit_borrowed_bytes: &'de [u8] visit_byte_buf: Vec<u8>
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner
            .visit_some(Strict::new(deserializer, self.budget))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        self.inner
            .visit_newtype_struct(Strict::new(deserializer, self.budget))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        if self.is_object {
            return Err(A::Error::custom("a list stands where an object belongs"));
        }
        self.inner
            .visit_seq(Strict::new(items, self.budget.descend()?))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.inner
            .visit_map(Strict::new(members, self.budget.descend()?))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        self.inner.next_element_seed(Strict::new(seed, self.budget))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Strict<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.next_value_seed(Strict::new(seed, self.budget))
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<'_, T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        self.inner
            .deserialize(Strict::new(deserializer, self.budget))
    }
}
