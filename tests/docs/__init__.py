"""The pages for people agree with the code, and lead where they say."""
