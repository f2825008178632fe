//! NumPy's array files (NEP 1): a magic string, a version, a header that is a Python dictionary, then the values.
//!
//! A parser of its own, because it must take any bytes: it never multiplies what it has not bounded, never allocates for a
//! claim, and says what it found.

use std::io::Read;
use std::path::Path;

use super::DataError;
use super::read::{self, DAMAGED};

const MAGIC: [u8; 6] = *b"\x93NUMPY";
/// A plain array's header is 118 bytes.
const MAX_HEADER: usize = 1 << 16;
const MAX_RANK: usize = 32;

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Type and byte order, such as `|u1` or `<i8`.
    pub dtype: String,
    /// Column-major.
    pub fortran_order: bool,
    pub shape: Vec<usize>,
}

impl Header {
    /// Number of values; saturates, for the caller to compare with what can be there.
    pub fn len(&self) -> u64 {
        self.shape.iter().fold(1u64, |len, &dim| len.saturating_mul(dim as u64))
    }

    pub fn read(mut file: impl Read, path: &Path) -> Result<Self, DataError> {
        let not_npy = |found: String| DataError::malformed(path, "a NumPy array", found, DAMAGED);
        let mut start = [0; 8];
        exact(&mut file, &mut start, path)?;
        if start[..6] != MAGIC {
            return Err(not_npy(format!("a file that starts with {:?}", String::from_utf8_lossy(&start[..6]))));
        }
        let len = match start[6] {
            1 => {
                let mut len = [0; 2];
                exact(&mut file, &mut len, path)?;
                usize::from(u16::from_le_bytes(len))
            }
            2 | 3 => {
                let mut len = [0; 4];
                exact(&mut file, &mut len, path)?;
                u32::from_le_bytes(len) as usize
            }
            version => return Err(not_npy(format!("version {version} of the format"))),
        };
        if len > MAX_HEADER {
            return Err(not_npy(format!("a header of {len} bytes")));
        }
        let mut text = vec![0; len];
        exact(&mut file, &mut text, path)?;
        let text = String::from_utf8_lossy(&text);
        Literal(&text).header().ok_or_else(|| not_npy(format!("the header {:?}", text.trim_end())))
    }
}

fn exact(file: &mut impl Read, buffer: &mut [u8], path: &Path) -> Result<(), DataError> {
    file.read_exact(buffer).map_err(|error| read::unreadable(path, error))
}

/// The rest of a Python literal, as far as NumPy writes it for plain arrays.
struct Literal<'a>(&'a str);

impl<'a> Literal<'a> {
    fn header(mut self) -> Option<Header> {
        let (mut dtype, mut fortran_order, mut shape) = (None, None, None);
        self.token("{")?;
        while self.token("}").is_none() {
            let key = self.text()?;
            self.token(":")?;
            match key {
                "descr" => dtype = Some(self.text()?.to_owned()),
                "fortran_order" => fortran_order = Some(self.boolean()?),
                "shape" => shape = Some(self.tuple()?),
                _ => return None,
            }
            if self.token(",").is_none() {
                self.token("}")?;
                break;
            }
        }
        if !self.0.trim().is_empty() {
            return None;
        }
        Some(Header { dtype: dtype?, fortran_order: fortran_order?, shape: shape? })
    }

    fn token(&mut self, token: &str) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn text(&mut self) -> Option<&'a str> {
        let rest = self.0.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (text, rest) = rest[1..].split_once(quote)?;
        self.0 = rest;
        Some(text)
    }

    fn boolean(&mut self) -> Option<bool> {
        if self.token("True").is_some() {
            return Some(true);
        }
        self.token("False").map(|()| false)
    }

    fn tuple(&mut self) -> Option<Vec<usize>> {
        let mut numbers = Vec::new();
        self.token("(")?;
        while self.token(")").is_none() {
            if numbers.len() == MAX_RANK {
                return None;
            }
            numbers.push(self.number()?);
            if self.token(",").is_none() {
                self.token(")")?;
                break;
            }
        }
        Some(numbers)
    }

    fn number(&mut self) -> Option<usize> {
        let rest = self.0.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, rest) = rest.split_at(end);
        self.0 = rest;
        digits.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(version: u8, header: &str) -> Vec<u8> {
        let len = match version {
            1 => (header.len() as u16).to_le_bytes().to_vec(),
            _ => (header.len() as u32).to_le_bytes().to_vec(),
        };
        [&MAGIC[..], &[version, 0], &len, header.as_bytes()].concat()
    }

    fn parse(bytes: &[u8]) -> Result<Header, DataError> {
        Header::read(bytes, Path::new("x.npy"))
    }

    #[test]
    fn the_headers_that_numpy_writes_are_read() {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 28, 28), }      \n";
        let expected = Header { dtype: "|u1".into(), fortran_order: false, shape: vec![3, 28, 28] };
        assert_eq!(parse(&file(1, header)).unwrap(), expected);
        assert_eq!(parse(&file(2, header)).unwrap(), expected);
        let one = parse(&file(1, "{\"shape\":(5,),\"fortran_order\":True,\"descr\":\"<i8\"}")).unwrap();
        assert_eq!(one, Header { dtype: "<i8".into(), fortran_order: true, shape: vec![5] });
        assert_eq!(parse(&file(1, "{'descr':'<f8','fortran_order':False,'shape':()}")).unwrap().len(), 1);
    }

    #[test]
    fn anything_else_is_refused() {
        insta::assert_snapshot!(parse(b"PK\x03\x04 and so on").unwrap_err(), @r#"x.npy: expected a NumPy array, found a file that starts with "PK\u{3}\u{4} a". The file is damaged or of another kind: get it anew"#);
        insta::assert_snapshot!(parse(&file(4, "{}")).unwrap_err(), @"x.npy: expected a NumPy array, found version 4 of the format. The file is damaged or of another kind: get it anew");
        for header in [
            "",
            "{}",
            "{'descr': '|u1', 'fortran_order': False}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (3, -1)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (3 4)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
            "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (3,)} or more",
            "{'descr': '|u1",
        ] {
            assert!(parse(&file(1, header)).is_err(), "{header}");
        }
        let long = [&MAGIC[..], &[2, 0], &u32::MAX.to_le_bytes()].concat();
        insta::assert_snapshot!(parse(&long).unwrap_err(), @"x.npy: expected a NumPy array, found a header of 4294967295 bytes. The file is damaged or of another kind: get it anew");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), text in "[{}()':,a-z0-9é]{0,60}") {
            let _ = parse(&bytes);
            let _ = parse(&file(1, &text));
        }

        #[test]
        fn a_changed_header_is_read_or_refused(place in 0usize..80, text in ".{0,3}") {
            let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 28, 28), }";
            let place = place.min(header.len());
            let changed = format!("{}{text}{}", &header[..place], &header[(place + 1).min(header.len())..]);
            let _ = parse(&file(1, &changed)).map(|header| header.len());
        }

        #[test]
        fn what_is_written_is_read(shape in prop::collection::vec(0usize..100_000, 0..6), fortran_order: bool) {
            let tuple = format!("{shape:?}").replace('[', "").replace(']', if shape.len() == 1 { "," } else { "" });
            let order = if fortran_order { "True" } else { "False" };
            let header = format!("{{'descr': '<i4', 'fortran_order': {order}, 'shape': ({tuple}), }}");
            prop_assert_eq!(parse(&file(1, &header)).unwrap(), Header { dtype: "<i4".into(), fortran_order, shape });
        }
    }
}
