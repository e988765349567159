"""The steps: each brings the schema before it to its own.

schema_1  courses, receipts, steps and phases
schema_2  volumes
schema_3  what a receipt says beside what was kept, and languages
schema_4_groups  the numbers of trainees
"""
