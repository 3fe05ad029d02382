"""Are two versions compatible, and which instance shows that they are not?"""
