"""Where results go: files of a directory."""
