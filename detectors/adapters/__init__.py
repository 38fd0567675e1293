"""Other people's detectors behind our interface, one file a library; each library is an extra, imported when used."""
