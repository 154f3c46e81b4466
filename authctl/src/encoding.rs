//! Recognizes the encoding of input by its first bytes.

/// The number of bytes that [`Encoding::of`] needs.
pub(crate) const FIRST_BYTES: usize = 4;

/// The byte order mark of UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// What input is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// UTF-8, as far as the first bytes say.
    Utf8,
    /// UTF-16, of either byte order, with or without a mark.
    Utf16,
    /// A file of gzip.
    Gzip,
    /// A ZIP archive, such as a workbook of Excel.
    Zip,
}

impl Encoding {
    pub(crate) fn of(first: &[u8]) -> Self {
        match first {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Self::Utf16,
            // Text begins with ASCII, and has no NUL.
            [0, byte, ..] | [byte, 0, ..] if *byte != 0 => Self::Utf16,
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'P', b'K', 3, 4, ..] => Self::Zip,
            _ => Self::Utf8,
        }
    }
}

/// Removes the byte order mark that Windows programs write at the beginning.
pub(crate) fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BOM).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_recognized_by_the_first_bytes() {
        for (first, expected) in [
            (&b"\xff\xfee\0"[..], Encoding::Utf16),
            (b"\xfe\xff\0e", Encoding::Utf16),
            (b"e\0m\0", Encoding::Utf16),
            (b"\0e\0m", Encoding::Utf16),
            (b"\x1f\x8b\x08\0", Encoding::Gzip),
            (b"PK\x03\x04", Encoding::Zip),
            (b"\xef\xbb\xbfe", Encoding::Utf8),
            (b"emai", Encoding::Utf8),
            (b"PK,e", Encoding::Utf8),
            (b"e", Encoding::Utf8),
            (b"", Encoding::Utf8),
        ] {
            assert_eq!(Encoding::of(first), expected, "{first:?}");
        }
    }
}
