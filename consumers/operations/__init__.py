"""Operations: backup, restore, rebuild, retention and the sweeper."""
