//! Text from a container, an image or another user, made safe for a terminal.

use std::ffi::OsStr;
use std::fmt::{self, Display, Write};
use std::os::unix::ffi::OsStrExt;

/// Returns `text` as a terminal may show it. What moves the cursor, begins a line, turns the
/// direction of writing, or cannot be seen is escaped as in a Rust string, and a byte that is not
/// UTF-8 as `\xNN`.
///
/// Whatever a container, an image, an archive or another user may have named is printed through
/// this. Otherwise a name could clear the screen, forge a row of a table, or answer a question of
/// the terminal.
pub fn printable<T: AsRef<OsStr> + ?Sized>(text: &T) -> impl Display {
    Printable(text.as_ref())
}

struct Printable<'a>(&'a OsStr);

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.as_bytes().utf8_chunks() {
            for char in chunk.valid().chars() {
                if is_harmless(char) {
                    f.write_char(char)?;
                } else {
                    write!(f, "{}", char.escape_default())?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Whether a terminal shows this character, and does nothing else.
fn is_harmless(char: char) -> bool {
    let invisible = matches!(char,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'  // soft hyphen, Arabic mark, separators
        | '\u{200b}'..='\u{200f}'                       // of no width; marks of direction
        | '\u{2028}'..='\u{202e}'                       // line, paragraph; embedded directions
        | '\u{2060}'..='\u{206f}'                       // joiners; isolated directions
        | '\u{fff9}'..='\u{fffb}'                       // interlinear notes
        | '\u{e0000}'..='\u{e0fff}'); // tags, variation selectors
    !char.is_control() && !invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: impl AsRef<OsStr>) -> String {
        printable(&text).to_string()
    }

    #[test]
    fn what_a_terminal_only_shows_stays() {
        assert_eq!(shown("/bin/ls -l 'ä 語 \\n'"), "/bin/ls -l 'ä 語 \\n'");
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        assert_eq!(shown("\x1b[2J\r\n\t\x7f"), r"\u{1b}[2J\r\n\t\u{7f}");
        assert_eq!(shown("\u{9b}2J"), r"\u{9b}2J"); // CSI in one character
        assert_eq!(
            shown("a\u{202e}b\u{2066}c\u{200b}\u{2028}"),
            r"a\u{202e}b\u{2066}c\u{200b}\u{2028}"
        );
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_escaped() {
        assert_eq!(shown(OsStr::from_bytes(b"a\xffb\x9b\xc3")), r"a\xffb\x9b\xc3");
    }
}
