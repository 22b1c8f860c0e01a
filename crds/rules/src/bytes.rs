//! `byte_test` and `byte_jump`: numbers in the payload.

use crate::syntax::{
    SyntaxError,
    number::{bounded, text},
    wrong,
};

/// Where a number stands and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    /// Bytes: up to 8 in binary, up to 23 as text.
    len: u8,
    offset: i32,
    /// From the end of the last match, not from the payload's start.
    relative: bool,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    BigEndian,
    LittleEndian,
    /// Digits in this base; 0 goes by a prefix of `0` or `0x`.
    Text(u32),
}

/// `byte_test`: compares a number in the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteTest {
    field: Field,
    operator: Operator,
    negated: bool,
    value: u64,
    bitmask: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Below,
    Above,
    AtMost,
    AtLeast,
    And,
    Xor,
}

/// `byte_jump`: moves the end of the last match by a number in the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteJump {
    field: Field,
    multiplier: u16,
    align: bool,
    post_offset: i32,
    from: From,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Field,
    Beginning,
    End,
}

/// A keyword that was read, or the reason why it cannot be evaluated here.
pub(crate) enum Parsed<T> {
    Exact(T),
    /// Asks for a variable of `byte_extract` or for DCE/RPC's byte order.
    Unsupported,
}

impl Field {
    /// Where the number starts, if it lies within the payload.
    fn start(&self, payload: &[u8], cursor: usize) -> Option<usize> {
        let base = if self.relative { cursor as i64 } else { 0 };
        let start = usize::try_from(base + i64::from(self.offset)).ok()?;
        (start + usize::from(self.len) <= payload.len()).then_some(start)
    }

    /// The number that starts at `start`, and how many bytes it takes.
    fn read(&self, payload: &[u8], start: usize) -> Option<(u64, usize)> {
        let bytes = payload.get(start..start + usize::from(self.len))?;
        let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        match self.form {
            Form::BigEndian => Some((bytes.iter().fold(0, push), bytes.len())),
            Form::LittleEndian => Some((bytes.iter().rev().fold(0, push), bytes.len())),
            Form::Text(base) => text_number(bytes, base),
        }
    }
}

impl ByteTest {
    pub fn relative(&self) -> bool {
        self.field.relative
    }

    pub fn holds(&self, payload: &[u8], cursor: usize) -> bool {
        let Some(start) = self.field.start(payload, cursor) else { return false };
        if self.field.relative && start >= payload.len() {
            return false;
        }
        let Some((mut number, _)) = self.field.read(payload, start) else { return false };
        if let Some(mask) = self.bitmask {
            number = (number & u64::from(mask)) >> mask.trailing_zeros().min(31);
        }
        let holds = match self.operator {
            Operator::Equal => number == self.value,
            Operator::Below => number < self.value,
            Operator::Above => number > self.value,
            Operator::AtMost => number <= self.value,
            Operator::AtLeast => number >= self.value,
            Operator::And => number & self.value != 0,
            Operator::Xor => number != self.value,
        };
        holds != self.negated
    }

    /// Reads `count, [!]operator, value, offset[, flag…]`.
    pub fn parse(value: &[u8]) -> Result<Parsed<Self>, SyntaxError> {
        let name = "byte_test";
        let parts: Vec<&str> = text(name, value)?.split(',').map(str::trim).collect();
        let [count, operator, number, offset, flags @ ..] = &parts[..] else {
            return Err(wrong!("{name} needs count, operator, value and offset"));
        };
        let (negated, operator) = match operator.strip_prefix('!') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, *operator),
        };
        let operator = match operator {
            "=" => Operator::Equal,
            "" if negated => Operator::Equal,
            "<" => Operator::Below,
            ">" => Operator::Above,
            "<=" => Operator::AtMost,
            ">=" => Operator::AtLeast,
            "&" => Operator::And,
            "^" => Operator::Xor,
            other => return Err(wrong!("{name}: '{other}' is no operator")),
        };
        if [count, number, offset].into_iter().any(|part| is_variable(part)) {
            return Ok(Parsed::Unsupported);
        }
        let (mut shape, mut bitmask) = (Shape::default(), None);
        for flag in flags {
            match flag.split_once(char::is_whitespace) {
                Some(("bitmask", mask)) => {
                    let mask = any_base(name, mask.trim())?;
                    bitmask = Some(u32::try_from(mask).map_err(|_| wrong!("{name}: bitmask over 32 bits"))?);
                }
                _ if flag.eq_ignore_ascii_case("dce") => return Ok(Parsed::Unsupported),
                _ if shape.flag(flag) => {}
                _ => return Err(wrong!("{name}: '{flag}' is no flag of it")),
            }
        }
        let field = shape.field(name, count, offset)?;
        if field.len == 0 {
            return Err(wrong!("{name} needs at least one byte"));
        }
        let value = any_base(name, number)?;
        Ok(Parsed::Exact(Self { field, operator, negated, value, bitmask }))
    }
}

impl ByteJump {
    pub fn relative(&self) -> bool {
        self.field.relative
    }

    /// Where the next relative match starts.
    pub fn target(&self, payload: &[u8], cursor: usize) -> Option<usize> {
        let start = self.field.start(payload, cursor)?;
        if self.field.relative && self.field.len > 0 && start >= payload.len() {
            return None;
        }
        let (number, taken) = self.field.read(payload, start)?;
        let mut number = number.wrapping_mul(self.multiplier.into());
        if self.align {
            number = number.wrapping_add(3) & !3;
        }
        let jump = i128::from(number.wrapping_add_signed(self.post_offset.into()) as i64);
        let base = match self.from {
            From::Field => start + taken,
            From::Beginning => 0,
            From::End => payload.len(),
        };
        let target = usize::try_from((base as i128 + jump).max(0)).ok()?;
        (target <= payload.len()).then_some(target)
    }

    /// Reads `count, offset[, flag…]`.
    pub fn parse(value: &[u8]) -> Result<Parsed<Self>, SyntaxError> {
        let name = "byte_jump";
        let parts: Vec<&str> = text(name, value)?.split(',').map(str::trim).collect();
        let [count, offset, flags @ ..] = &parts[..] else {
            return Err(wrong!("{name} needs count and offset"));
        };
        if is_variable(count) || is_variable(offset) {
            return Ok(Parsed::Unsupported);
        }
        let mut shape = Shape::default();
        let (mut multiplier, mut align, mut post_offset, mut from) = (1, false, 0, From::Field);
        for flag in flags {
            match flag.split_once(char::is_whitespace) {
                Some(("multiplier", number)) => multiplier = bounded(name, number.trim(), u16::MAX)?,
                Some(("post_offset", number)) => post_offset = bounded(name, number.trim(), 65535)?,
                _ if flag.eq_ignore_ascii_case("dce") => return Ok(Parsed::Unsupported),
                _ if flag.eq_ignore_ascii_case("align") => align = true,
                _ if flag.eq_ignore_ascii_case("from_beginning") => from = From::Beginning,
                _ if flag.eq_ignore_ascii_case("from_end") => from = From::End,
                _ if shape.flag(flag) => {}
                _ => return Err(wrong!("{name}: '{flag}' is no flag of it")),
            }
        }
        if multiplier == 0 || post_offset < -65535 {
            return Err(wrong!("{name}: multiplier or post_offset out of range"));
        }
        let field = shape.field(name, count, offset)?;
        Ok(Parsed::Exact(Self { field, multiplier, align, post_offset, from }))
    }
}

/// The flags that both keywords share.
#[derive(Default)]
struct Shape {
    relative: bool,
    little: bool,
    string: bool,
    base: u32,
}

impl Shape {
    /// Takes a flag; `false` if it is none of the shared ones.
    fn flag(&mut self, flag: &str) -> bool {
        match &*flag.to_ascii_lowercase() {
            "relative" => self.relative = true,
            "little" => self.little = true,
            "big" => self.little = false,
            "string" => self.string = true,
            "dec" => self.base = 10,
            "hex" => self.base = 16,
            "oct" => self.base = 8,
            _ => return false,
        }
        true
    }

    fn field(&self, name: &str, count: &str, offset: &str) -> Result<Field, SyntaxError> {
        if !self.string && self.base != 0 {
            return Err(wrong!("{name}: dec, hex and oct need 'string'"));
        }
        let offset: i32 = bounded(name, offset, 65535)?;
        if offset < -65535 {
            return Err(wrong!("{name}: offset {offset} is below -65535"));
        }
        let form = match (self.string, self.little) {
            (true, _) => Form::Text(self.base),
            (false, true) => Form::LittleEndian,
            (false, false) => Form::BigEndian,
        };
        let len = bounded(name, count, if self.string { 23 } else { 8 })?;
        Ok(Field { len, offset, relative: self.relative, form })
    }
}

fn is_variable(part: &str) -> bool {
    part.starts_with(|first: char| first.is_ascii_alphabetic())
}

fn any_base(name: &str, text: &str) -> Result<u64, SyntaxError> {
    text_number(text.as_bytes(), 0)
        .filter(|(_, taken)| *taken == text.len())
        .map(|(number, _)| number)
        .ok_or_else(|| wrong!("{name}: '{text}' is no number of 64 bits"))
}

/// C's `strtoull`: blanks, a sign, a prefix, digits; what follows is left.
/// Returns the number and the bytes taken; `None` without any digit or where
/// it does not fit into 64 bits.
fn text_number(text: &[u8], base: u32) -> Option<(u64, usize)> {
    let mut at = text.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0b).count();
    let negative = match text.get(at) {
        Some(b'-') => {
            at += 1;
            true
        }
        Some(b'+') => {
            at += 1;
            false
        }
        _ => false,
    };
    let prefixed =
        matches!(text.get(at..), Some([b'0', b'x' | b'X', digit, ..]) if digit.is_ascii_hexdigit());
    let base = match base {
        0 if prefixed => 16,
        0 if text.get(at) == Some(&b'0') => 8,
        0 => 10,
        base => base,
    };
    if base == 16 && prefixed {
        at += 2;
    }
    let digits = text[at..].iter().map_while(|byte| char::from(*byte).to_digit(base));
    let (mut number, mut count) = (0u64, 0);
    for digit in digits {
        number = number.checked_mul(base.into())?.checked_add(digit.into())?;
        count += 1;
    }
    (count > 0).then(|| (if negative { number.wrapping_neg() } else { number }, at + count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(text: &str, payload: &[u8], cursor: usize) -> bool {
        match ByteTest::parse(text.as_bytes()).unwrap() {
            Parsed::Exact(test) => test.holds(payload, cursor),
            Parsed::Unsupported => panic!("{text} is unsupported"),
        }
    }

    fn jump(text: &str, payload: &[u8], cursor: usize) -> Option<usize> {
        match ByteJump::parse(text.as_bytes()).unwrap() {
            Parsed::Exact(jump) => jump.target(payload, cursor),
            Parsed::Unsupported => panic!("{text} is unsupported"),
        }
    }

    #[test]
    fn tests_compare_numbers() {
        assert!(test("2,=,0x0102,0", &[1, 2], 0) && test("2,=,513,0,little", &[1, 2], 0));
        assert!(test("1,>,2,1,relative", &[0, 0, 3], 1) && !test("1,>,2,1,relative", &[0, 0, 3], 2));
        assert!(test("1,&,0x80,0", &[0x81], 0) && test("1,!&,0x80,0", &[0x7f], 0));
        assert!(test("1,!,5,0", &[6], 0) && test("1,^,5,0", &[6], 0) && test("1,<=,6,0", &[6], 0));
        assert!(test("4,=,123,0,string,dec", b"123 ", 0) && test("4,>=,0x1f,0,string,hex", b"1f  ", 0));
        assert!(test("2,=,5,0,bitmask 0x0ff0", &[0x00, 0x50], 0));
        assert!(!test("4,=,0,-1", &[0; 8], 0) && !test("4,=,0,5", &[0; 8], 0));
    }

    #[test]
    fn jumps_move_the_cursor() {
        assert_eq!(jump("1,0", &[2, 0, 0, 0], 0), Some(3));
        assert_eq!(jump("1,0,relative", &[9, 1, 0, 0], 1), Some(3));
        assert_eq!(jump("1,0,multiplier 2,align", &[1, 0, 0, 0, 0], 0), Some(5));
        assert_eq!(jump("1,0,post_offset -5", &[1, 0], 0), Some(0));
        assert_eq!(jump("1,0,from_beginning", &[1, 0], 0), Some(1));
        assert_eq!(jump("0,0,from_end,post_offset -2", &[0; 9], 0), Some(7));
        assert_eq!(jump("1,0", &[9, 0], 0), None);
        assert_eq!(jump("8,0", &[0xff; 8], 0), Some(7));
    }

    #[test]
    fn numbers_read_as_in_c() {
        assert_eq!(text_number(b" 0x1Fz", 0), Some((31, 5)));
        assert_eq!(text_number(b"0x", 0), Some((0, 1)));
        assert_eq!(text_number(b"017", 0), Some((15, 3)));
        assert_eq!(text_number(b"-1", 10), Some((u64::MAX, 2)));
        assert_eq!(text_number(b"99999999999999999999", 10), None);
        assert_eq!(text_number(b"x", 10), None);
    }

    #[test]
    fn what_cannot_be_read_is_told_from_what_cannot_be_evaluated() {
        for text in ["1,=,1", "9,=,1,0", "1,?,1,0", "1,=,1,0,hex", "0,=,0,0", "1,=,z1,0,blue", "1,=,,0"] {
            assert!(!matches!(ByteTest::parse(text.as_bytes()), Ok(Parsed::Exact(_))), "{text}");
        }
        assert!(matches!(ByteTest::parse(b"1,=,name,0"), Ok(Parsed::Unsupported)));
        assert!(matches!(ByteJump::parse(b"4,0,dce"), Ok(Parsed::Unsupported)));
        assert!(ByteJump::parse(b"4,0,sideways").is_err() && ByteJump::parse(b"4").is_err());
    }
}
