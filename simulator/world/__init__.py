"""The organisation before anything happens: projects, names, identities, credentials, entitlements, policy."""
