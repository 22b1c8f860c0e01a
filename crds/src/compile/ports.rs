//! Ports.

use super::{Builder, routes::parse_mac};
use crate::{
    api::{Pci, PciSelector, Port},
    tables::{self, PortBinding},
    violation::Report,
};

impl Builder<'_> {
    pub(super) fn ports(&mut self) -> Vec<tables::Port> {
        let ports = self.spec.ports.iter().enumerate();
        ports
            .map(|(at, port)| tables::Port {
                name: port.name.clone(),
                binding: binding(port, &format!("spec.ports[{at}]"), &mut self.report),
                mtu: u16::try_from(port.mtu).unwrap_or(u16::MAX),
            })
            .collect()
    }
}

fn binding(port: &Port, field: &str, report: &mut Report) -> PortBinding {
    match (&port.pci, &port.kernel) {
        (Some(pci), None) => pci_binding(pci, &format!("{field}.pci"), report),
        (None, Some(kernel)) => {
            let name = &kernel.interface;
            if name.contains(|c: char| c == '/' || c.is_whitespace()) {
                report.violate(format!("{field}.kernel.interface"), format!("'{name}' is no interface name"));
            }
            PortBinding::Kernel(name.clone())
        }
        (both, _) => {
            let found = if both.is_some() { "both" } else { "neither" };
            report.violate(field, format!("has {found} of pci and kernel; it needs exactly one"));
            PortBinding::PciSelector
        }
    }
}

fn pci_binding(pci: &Pci, field: &str, report: &mut Report) -> PortBinding {
    match (&pci.address, &pci.selector) {
        (Some(address), None) => {
            if !is_pci_address(address) {
                let reason = format!("'{address}' is no PCI address; write it in full, 0000:00:03.0");
                report.violate(format!("{field}.address"), reason);
            }
            PortBinding::PciAddress(address.to_ascii_lowercase())
        }
        (None, Some(selector)) => {
            check_selector(selector, &format!("{field}.selector"), report);
            PortBinding::PciSelector
        }
        (both, _) => {
            let found = if both.is_some() { "both" } else { "neither" };
            report.violate(field, format!("has {found} of address and selector; it needs exactly one"));
            PortBinding::PciSelector
        }
    }
}

fn check_selector(selector: &PciSelector, field: &str, report: &mut Report) {
    if *selector == PciSelector::default() {
        report.violate(field, "is empty and would take any device; give at least one field");
    }
    if let Some(mac) = selector.mac.as_ref().filter(|mac| parse_mac(mac).is_none()) {
        report.violate(format!("{field}.mac"), format!("'{mac}' is no MAC address; write 02:00:00:00:00:01"));
    }
    for (name, id) in [("vendor", &selector.vendor), ("device", &selector.device)] {
        let wrong = |id: &&String| id.len() != 4 || !id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(id) = id.as_ref().filter(wrong) {
            report.violate(
                format!("{field}.{name}"),
                format!("'{id}' is no PCI id; write four hex digits, 8086"),
            );
        }
    }
}

/// `dddd:bb:ss.f`, hex digits but for the function, 0 to 7.
fn is_pci_address(text: &str) -> bool {
    let template = b"hhhh:hh:hh.f";
    text.len() == template.len()
        && text.bytes().zip(template).all(|(byte, kind)| match kind {
            b'h' => byte.is_ascii_hexdigit(),
            b'f' => (b'0'..=b'7').contains(&byte),
            separator => byte == *separator,
        })
}
