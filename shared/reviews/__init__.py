"""What people say of items: writing it, what it comes to, and what is made of it."""
