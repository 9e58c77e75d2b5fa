"""From one photo to its restored faces: found, degraded, restored, completed, measured, kept."""
