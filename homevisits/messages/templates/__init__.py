"""Message templates: files, approval, rendering and segment counting."""
