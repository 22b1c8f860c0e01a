//! Manifests for measuring, from their parts.

use std::{fmt::Write as _, fs, path::PathBuf};

use anyhow::Context as _;

use super::Context;

/// Where a function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// That many instances.
    Cpu(u16),
    /// That many workgroups.
    Gpu(u16),
}

impl On {
    fn yaml(self) -> String {
        match self {
            Self::Cpu(cores) => format!("compute: CPU, cores: {cores}"),
            Self::Gpu(workgroups) => format!("compute: GPU, workgroups: {workgroups}"),
        }
    }
}

/// A chain between `lan` and `wan`.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    functions: Vec<String>,
    classes: Vec<String>,
    rules: Option<PathBuf>,
}

impl Chain {
    /// Adds `ipsec`, which encrypts everything in transport mode, as the paper's does.
    pub fn ipsec(mut self, on: On) -> Self {
        self.functions.push(format!(
            "{{name: ipsec, type: IPsec, {}, ipsec: {{direction: Encrypt, securityAssociations: [\
             {{name: all, spi: 4096, mode: Transport, cipher: AES-128-CBC, integrity: HMAC-SHA1-96, \
             keysFrom: {{secretRef: {{name: keys}}}}, selector: {{destination: 0.0.0.0/0}}}}]}}}}",
            on.yaml()
        ));
        self
    }

    /// Adds `nids` with a rule file.
    pub fn nids(mut self, on: On, rules: PathBuf) -> Self {
        self.functions.push(format!(
            "{{name: nids, type: NIDS, {}, nids: {{unsupported: ContentOnly, \
             rulesFrom: {{configMapRef: {{name: rules, key: local.rules}}}}}}}}",
            on.yaml()
        ));
        self.rules = Some(rules);
        self
    }

    /// Adds `router`, one route for all.
    pub fn router(mut self) -> Self {
        self.functions.push(
            "{name: router, type: Router, compute: CPU, cores: 1, router: \
             {routes: [{prefix: 0.0.0.0/0, port: wan, nextHopMac: \"02:00:00:00:02:01\"}]}}"
                .into(),
        );
        self
    }

    /// Adds a class of packets to `destination` that take `path`.
    pub fn class(mut self, name: &str, destination: &str, path: &[&str]) -> Self {
        self.classes.push(format!(
            "{{name: {name}, match: {{destination: {destination}}}, path: [{}]}}",
            path.join(", ")
        ));
        self
    }

    /// Writes the bundle.
    ///
    /// # Errors
    /// The rules cannot be read or the file not written.
    pub fn write(&self, context: &Context, name: &str) -> anyhow::Result<PathBuf> {
        let mut yaml = String::from(
            "apiVersion: hummingbird.dev/v1alpha1\nkind: NfChain\nmetadata: {name: bench, namespace: default}\n\
             spec:\n  ports:\n  - {name: lan, pci: {address: \"0000:00:03.0\"}}\n\
             \x20 - {name: wan, pci: {address: \"0000:00:04.0\"}}\n  functions:\n",
        );
        for function in &self.functions {
            let _ = writeln!(yaml, "  - {function}");
        }
        yaml += "  classes:\n";
        for class in &self.classes {
            let _ = writeln!(yaml, "  - {class}");
        }
        yaml += "---\napiVersion: v1\nkind: Secret\nmetadata: {name: keys, namespace: default}\n\
                 stringData: {cipherKey: hummingbird-demo, integrityKey: hummingbird-icv-demo}\n";
        if let Some(rules) = &self.rules {
            let text =
                fs::read_to_string(rules).with_context(|| format!("cannot read {}", rules.display()))?;
            yaml += "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: rules, namespace: default}\n\
                     data:\n  local.rules: |\n";
            for line in text.lines() {
                let _ = writeln!(yaml, "    {line}");
            }
        }
        let path = context.scratch.join(format!("{name}.yaml"));
        fs::write(&path, yaml).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}
