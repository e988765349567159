"""Accounts, how they log in, and the language they read.

accounts          passwords, made at the first start
roles             the hub's roles
authenticator     logging in
guesses           how often a password may be guessed
account_calls     the hub's calls that change accounts: refused, with the way that works
start_calls       starts with options: refused
logout            what the hub does beside ending the session
token_calls       a token beyond the limit: refused, with the reason
account_language  the language each account reads
"""
