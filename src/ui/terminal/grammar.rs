//! The grammar of what a terminal sends: ECMA-48 control functions, UTF-8, and the few forms outside of both (X10 mouse
//! reports, the function keys of the Linux console and of rxvt).
//!
//! A state machine without a clock, which any byte whatever takes to a known state: parsers of programs' output (`vte`)
//! do not tell Alt+key from a control function nor say whether a sequence is open, and those of crossterm and termina
//! keep a sequence they do not know until something ends it, which may be never. It knows nothing of keys.

/// The longest parameter string and the longest control string that are kept; what is longer is read to its end.
const KEPT_PARAMETERS: usize = 256;
const KEPT_STRING: usize = 1024;

const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const ESC: u8 = 0x1b;
const ETX: u8 = 0x03;
const DEL: u8 = 0x7f;
/// ST as a single byte, which ends what was begun with a single byte.
const ST: u8 = 0x9c;

/// A whole unit of input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A character or a C0 control; `alt`: with ESC before it.
    Char { c: char, alt: bool },
    /// ESC that begins nothing.
    Escape,
    /// `CSI ... last`; `alt`: with a second ESC before it, as rxvt does.
    Csi { sequence: Csi, alt: bool },
    /// `SS3 ... last`.
    Ss3 { parameter: Vec<u8>, last: u8, alt: bool },
    /// `CSI [ A` to `CSI [ E` of the Linux console.
    LinuxKey(u8),
    /// The three bytes after `CSI M`.
    X10Mouse([u8; 3]),
    /// A control string, without what begins and ends it.
    String { kind: StringKind, text: Vec<u8> },
}

/// A control sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Csi {
    /// `<`, `=`, `>` or `?` in front of the parameters.
    pub(super) private: Option<u8>,
    /// Digits, `;` and `:`.
    pub(super) parameters: Vec<u8>,
    /// Bytes from 0x20 to 0x2f before the last one.
    pub(super) intermediates: Vec<u8>,
    /// Names the function.
    pub(super) last: u8,
}

/// Kinds of control strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StringKind {
    Osc,
    Dcs,
    Apc,
    Pm,
    Sos,
}

/// Where in the grammar the machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    #[default]
    Ground,
    /// Inside a character.
    Utf8,
    /// After ESC; `twice`: after two.
    Escape {
        twice: bool,
    },
    Csi,
    LinuxKey,
    X10Mouse,
    Ss3,
    String(StringKind),
    /// After ESC in a string, which `\` would end.
    StringEscape(StringKind),
}

/// The state machine.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    state: State,
    alt: bool,
    /// The sequence was begun with a single byte (C1) and not with ESC.
    single_byte: bool,
    held: Vec<u8>,
}

impl Machine {
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Bytes of the open sequence after what begins it.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    /// What the keyboard meant if nothing follows: ESC, or ESC with the character that could begin a sequence.
    pub(super) fn as_keys(&self) -> Option<Vec<Token>> {
        let begun = |c: char| (self.held.is_empty() && !self.single_byte).then_some(c);
        let c = match self.state {
            State::Escape { twice } => return Some(vec![Token::Escape; if twice { 2 } else { 1 }]),
            State::StringEscape(_) => return Some(vec![Token::Escape]),
            State::Csi => begun('['),
            State::Ss3 => begun('O'),
            State::String(kind) => begun(match kind {
                StringKind::Osc => ']',
                StringKind::Dcs => 'P',
                StringKind::Apc => '_',
                StringKind::Pm => '^',
                StringKind::Sos => 'X',
            }),
            State::Ground | State::Utf8 | State::LinuxKey | State::X10Mouse => None,
        };
        c.map(|c| vec![Token::Char { c, alt: true }])
    }

    /// Takes a byte; `out` gets what it completes.
    pub(super) fn feed(&mut self, byte: u8, out: &mut Vec<Token>) {
        match self.state {
            State::Ground => self.ground(byte, out),
            State::Utf8 => self.utf8(byte, out),
            State::Escape { twice } => self.escape(byte, twice, out),
            State::Csi => self.csi(byte, out),
            State::LinuxKey => self.linux_key(byte, out),
            State::X10Mouse => self.x10_mouse(byte, out),
            State::Ss3 => self.ss3(byte, out),
            State::String(kind) => self.string(kind, byte, out),
            State::StringEscape(kind) => self.string_escape(kind, byte, out),
        }
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.held.clear();
    }

    /// Back to the ground; gives what was held.
    fn end(&mut self) -> Vec<u8> {
        std::mem::take(self).held
    }

    /// Drops the open sequence, and takes the byte as the first of something new.
    fn abort(&mut self, byte: u8, out: &mut Vec<Token>) {
        *self = Self::default();
        self.ground(byte, out);
    }

    fn ground(&mut self, byte: u8, out: &mut Vec<Token>) {
        match byte {
            ESC => {
                *self = Self::default();
                self.begin(State::Escape { twice: false });
            }
            0x00..=0x7f => self.char(char::from(byte), out),
            0x80..=0x9f => self.c1(byte, out),
            0xc2..=0xf4 => {
                self.begin(State::Utf8);
                self.held.push(byte);
            }
            _ => self.char(char::REPLACEMENT_CHARACTER, out),
        }
    }

    fn char(&mut self, c: char, out: &mut Vec<Token>) {
        self.state = State::Ground;
        let alt = std::mem::take(&mut self.alt);
        match u8::try_from(c) {
            Ok(byte @ 0x80..=0x9f) => self.c1(byte, out),
            _ => out.push(Token::Char { c, alt }),
        }
    }

    /// A C1 control: ESC and the byte less 0x40 in one. Those that begin nothing mean nothing from a keyboard.
    fn c1(&mut self, byte: u8, out: &mut Vec<Token>) {
        if std::mem::take(&mut self.alt) {
            out.push(Token::Escape);
        }
        if let Some(state) = introduced(byte - 0x40) {
            self.begin(state);
            self.single_byte = true;
        }
    }

    fn utf8(&mut self, byte: u8, out: &mut Vec<Token>) {
        if !(0x80..=0xbf).contains(&byte) {
            self.char(char::REPLACEMENT_CHARACTER, out);
            return self.abort(byte, out);
        }
        self.held.push(byte);
        let c = match std::str::from_utf8(&self.held) {
            Ok(text) => text.chars().next(),
            Err(error) if error.error_len().is_none() => return,
            Err(_) => None,
        };
        self.char(c.unwrap_or(char::REPLACEMENT_CHARACTER), out);
    }

    fn escape(&mut self, byte: u8, twice: bool, out: &mut Vec<Token>) {
        let sequence = introduced(byte);
        if twice && !matches!(sequence, Some(State::Csi | State::Ss3)) {
            out.push(Token::Escape);
        }
        match (byte, sequence) {
            (ESC, _) => self.begin(State::Escape { twice: true }),
            (_, Some(state)) => {
                self.alt = twice;
                self.begin(state);
            }
            // Ctrl+C has to arrive whatever stands before it.
            (ETX, None) => {
                out.push(Token::Escape);
                self.abort(byte, out);
            }
            (_, None) => {
                self.alt = true;
                self.ground(byte, out);
            }
        }
    }

    fn csi(&mut self, byte: u8, out: &mut Vec<Token>) {
        match byte {
            CAN | SUB => drop(self.end()),
            0x00..=0x1f | DEL..=0xff => self.abort(byte, out),
            b'[' if self.held.is_empty() => self.state = State::LinuxKey,
            b'M' if self.held.is_empty() => self.state = State::X10Mouse,
            b'$' if self.is_rxvt_key() => self.end_csi(byte, out),
            0x20..=0x3f if self.held.len() < KEPT_PARAMETERS => self.held.push(byte),
            0x20..=0x3f => {}
            _ => self.end_csi(byte, out),
        }
    }

    /// rxvt ends keys with Shift by `$`, which elsewhere comes before the last byte: after the number of a key, then, and
    /// no report has just that.
    fn is_rxvt_key(&self) -> bool {
        let number = std::str::from_utf8(&self.held).ok().and_then(|digits| digits.parse::<u8>().ok());
        self.held.first() != Some(&b'+') && number.is_some_and(|number| (1..=34).contains(&number))
    }

    fn end_csi(&mut self, last: u8, out: &mut Vec<Token>) {
        let alt = std::mem::take(&mut self.alt);
        let mut parameters = self.end();
        let private = parameters.first().copied().filter(|byte| (b'<'..=b'?').contains(byte));
        if private.is_some() {
            parameters.remove(0);
        }
        let count = parameters.iter().take_while(|byte| **byte >= 0x30).count();
        let intermediates = parameters.split_off(count);
        out.push(Token::Csi { sequence: Csi { private, parameters, intermediates, last }, alt });
    }

    fn linux_key(&mut self, byte: u8, out: &mut Vec<Token>) {
        match byte {
            0x00..=0x1f | DEL..=0xff => self.abort(byte, out),
            _ => {
                self.end();
                if (b'A'..=b'E').contains(&byte) {
                    out.push(Token::LinuxKey(byte));
                }
            }
        }
    }

    fn x10_mouse(&mut self, byte: u8, out: &mut Vec<Token>) {
        if byte < 0x20 {
            return self.abort(byte, out);
        }
        self.held.push(byte);
        if let [button, column, row] = self.held[..] {
            self.end();
            out.push(Token::X10Mouse([button, column, row]));
        }
    }

    fn ss3(&mut self, byte: u8, out: &mut Vec<Token>) {
        match byte {
            CAN | SUB => drop(self.end()),
            b'0'..=b'9' | b';' if self.held.len() < 8 => self.held.push(byte),
            0x40..=0x7e => {
                let alt = std::mem::take(&mut self.alt);
                let parameter = self.end();
                out.push(Token::Ss3 { parameter, last: byte, alt });
            }
            _ => self.abort(byte, out),
        }
    }

    fn string(&mut self, kind: StringKind, byte: u8, out: &mut Vec<Token>) {
        match byte {
            BEL => self.end_string(kind, out),
            ST if self.single_byte => self.end_string(kind, out),
            ESC => self.state = State::StringEscape(kind),
            CAN | SUB => drop(self.end()),
            // No report has these; a keyboard does.
            0x00..=0x1f | DEL => self.abort(byte, out),
            _ if self.held.len() < KEPT_STRING => self.held.push(byte),
            _ => {}
        }
    }

    fn string_escape(&mut self, kind: StringKind, byte: u8, out: &mut Vec<Token>) {
        match byte {
            b'\\' => self.end_string(kind, out),
            // rxvt-unicode before 9.31 ends its answers with ESC alone, and here the next one begins.
            ESC => {
                self.end_string(kind, out);
                self.begin(State::Escape { twice: false });
            }
            _ => {
                *self = Self::default();
                self.escape(byte, false, out);
            }
        }
    }

    fn end_string(&mut self, kind: StringKind, out: &mut Vec<Token>) {
        let text = self.end();
        out.push(Token::String { kind, text });
    }
}

/// What ESC with this byte begins.
fn introduced(byte: u8) -> Option<State> {
    Some(match byte {
        b'[' => State::Csi,
        b'O' => State::Ss3,
        b']' => State::String(StringKind::Osc),
        b'P' => State::String(StringKind::Dcs),
        b'_' => State::String(StringKind::Apc),
        b'^' => State::String(StringKind::Pm),
        b'X' => State::String(StringKind::Sos),
        _ => return None,
    })
}
