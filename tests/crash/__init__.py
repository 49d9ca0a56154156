"""Real processes, killed at every named moment, restarted, and judged by what their receivers saw."""
