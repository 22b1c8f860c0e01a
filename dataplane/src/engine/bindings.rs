//! Which `--port` argument is for which port of the chain.

use hummingbird_crds::tables::Tables;

use super::EngineError;
use crate::ports::{Binding, PortArgument};

/// The binding of each port, in the manifest's order.
///
/// # Errors
/// All that does not fit: a port without a binding or with two, a name that the
/// chain has not, a capture that is written and used otherwise.
pub fn match_ports(tables: &Tables, arguments: &[PortArgument]) -> Result<Vec<Binding>, EngineError> {
    let known = |name: &str| tables.ports.iter().any(|port| port.name == name);
    let mut wrong: Vec<String> = arguments
        .iter()
        .filter(|argument| !known(&argument.name))
        .map(|argument| format!("--port {}: the chain has no port of that name", argument.name))
        .collect();
    let mut bindings = Vec::new();
    for port in &tables.ports {
        let mut given = arguments.iter().filter(|argument| argument.name == port.name);
        match (given.next(), given.next()) {
            (Some(argument), None) => bindings.push(argument.binding.clone()),
            (Some(_), Some(_)) => wrong.push(format!("--port {} is given twice", port.name)),
            (None, _) => wrong.push(format!("port {} needs --port {}=BINDING", port.name, port.name)),
        }
    }
    let files: Vec<_> = bindings
        .iter()
        .filter_map(|binding| match binding {
            Binding::Pcap { output, .. } => Some(output),
            _ => None,
        })
        .collect();
    for (index, output) in files.iter().enumerate() {
        let read = bindings.iter().any(|binding| {
            matches!(binding, Binding::Pcap { input, .. } | Binding::Trace { input, .. } if input == *output)
        });
        if read || files[..index].contains(output) {
            wrong.push(format!("{} is written by one port and used by another, too", output.display()));
        }
    }
    if wrong.is_empty() { Ok(bindings) } else { Err(EngineError::Ports(wrong.join("; "))) }
}
