"""VMLab's part of the hub: `/hub/api/vmlab/...` and the pages (docs/protocols.md, section 2).

setup        adds all of this to the hub's configuration
runtime      what the handlers share
base         base class: who calls, how much they may send, how errors are told
identity     which server a token belongs to
limits       how often one caller may call
bodies       what request bodies say, checked
sending      long answers to slow callers
refusals     what people outside are told of errors
board        what the board shows
roster       people and their machines
courses      courses for machines and trainers
own_courses  courses and progress of whoever asks
reports      what machines report: receipts and progress
language     the language of an account
own_data     what trainees do with their own volume
data_page    the page for it
volume       what a machine may ask of its own volume
whose        handlers about one user's machines
machines     a trainee's group: list, consoles, restarts
renewal      a new machine with the same volume
idle         breaks
guide_page   the guide for trainees
logo         the lab's picture
ssh_keys     public keys of whoever asks
ssh_page     the page for SSH, and the program for one's own computer
ssh_socket   SSH in a WebSocket
hello        what a request looks like when it arrives
"""

from vmlab.web.api.base import COURSES_SCOPE
from vmlab.web.api.runtime import ApiSettings
from vmlab.web.api.setup import setup_api
from vmlab.web.api.ssh_page import SshAddress

__all__ = ["COURSES_SCOPE", "ApiSettings", "SshAddress", "setup_api"]
