"""Real processes killed at every named moment, restarted, and judged by their receivers."""
