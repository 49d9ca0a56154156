"""Types that the desk's pages and the services behind them share: shapes and protocols, no I/O."""
