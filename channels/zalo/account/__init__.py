"""The Official Account itself: status for operators, followers, automatic replies.

May import client, quota and case_notices.
"""
