"""Pages of items: write, edit, review, and every act on a text."""
