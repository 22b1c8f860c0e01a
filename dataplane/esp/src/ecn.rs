//! Explicit congestion notification through a tunnel (RFC 6040).

/// The ECN bits of a TOS byte.
const MASK: u8 = 0b11;
const NOT_ECT: u8 = 0b00;
const ECT1: u8 = 0b01;
const CE: u8 = 0b11;

/// The TOS byte of the outer header: DSCP copied, and ECN too, which is RFC
/// 6040's normal mode (section 4.1).
pub(crate) const fn outer(inner: u8) -> u8 {
    inner
}

/// The inner TOS byte after decapsulation, or `None` where the packet must be
/// dropped (section 4.2, figure 4).
pub(crate) const fn decapsulated(outer: u8, inner: u8) -> Option<u8> {
    let ecn = match (inner & MASK, outer & MASK) {
        (NOT_ECT, CE) => return None,
        (NOT_ECT, _) => NOT_ECT,
        (_, CE) => CE,
        (CE, _) => CE,
        (_, ECT1) => ECT1,
        (own, _) => own,
    };
    Some(inner & !MASK | ecn)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECT0: u8 = 0b10;

    #[test]
    fn figure_4_of_rfc_6040_cell_by_cell() {
        let columns = [NOT_ECT, ECT0, ECT1, CE];
        let rows = [
            (NOT_ECT, [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), None]),
            (ECT0, [Some(ECT0), Some(ECT0), Some(ECT1), Some(CE)]),
            (ECT1, [Some(ECT1), Some(ECT1), Some(ECT1), Some(CE)]),
            (CE, [Some(CE), Some(CE), Some(CE), Some(CE)]),
        ];
        for (inner, cells) in rows {
            for (outer, cell) in columns.into_iter().zip(cells) {
                // The two DSCPs differ, and the inner one stays.
                let got = decapsulated(0b1010_1000 | outer, 0b0110_0100 | inner);
                assert_eq!(got, cell.map(|ecn| 0b0110_0100 | ecn), "inner {inner:02b} outer {outer:02b}");
            }
        }
    }
}
