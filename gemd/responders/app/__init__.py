"""Python applications by Jetforce's contract: loaded, called in threads of their own, and told what they may say."""
