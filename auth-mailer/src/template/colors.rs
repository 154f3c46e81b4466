//! Colours of mails.

/// A colour as `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Color([u8; 3]);

impl Color {
    pub(super) const fn new(rgb: u32) -> Self {
        let [_, red, green, blue] = rgb.to_be_bytes();
        Self([red, green, blue])
    }

    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "must be a colour such as `#1a56db`";
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6).ok_or(SHAPE)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(SHAPE);
        }
        u32::from_str_radix(digits, 16).map(Self::new).map_err(|_| SHAPE)
    }

    /// White or near-black: the one with the better contrast on this colour (WCAG 2.2, contrast ratio).
    pub(super) fn ink(self) -> &'static str {
        let with_white = 1.05 / (self.luminance() + 0.05);
        let with_black = (self.luminance() + 0.05) / (Self::new(0x10_18_20).luminance() + 0.05);
        if with_white >= with_black { "#ffffff" } else { "#101820" }
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(self) -> f64 {
        let linear = |value: u8| {
            let share = f64::from(value) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl std::fmt::Display for Color {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ink_is_the_one_with_the_better_contrast() {
        for (color, ink) in
            [("#1a56db", "#ffffff"), ("#FFFFFF", "#101820"), ("#000000", "#ffffff"), ("#ffd400", "#101820")]
        {
            assert_eq!(Color::parse(color).unwrap().ink(), ink);
        }
        for text in ["", "1a56db", "#1a56d", "#1a56dbf", "#+a56db", "red", "#1a56d\"", "#ééé"] {
            assert!(Color::parse(text).is_err(), "{text}");
        }
    }
}
