"""The Official Account itself: status for operators, followers, automatic replies.

Builds on client, quota and case_notices.
"""
