"""Operations: status, backup, restore, rebuild and the sweeper."""
