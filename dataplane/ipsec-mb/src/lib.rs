//! Safe wrapper of intel-ipsec-mb for AES-128-CBC with HMAC-SHA1-96.
