"""The part of Lambda's Python runtime that a function can notice, run by local/lambda.ts in a process of its own.

It speaks to its host as lambda-runtime.ts does: one JSON document a line, on the socket that Node gives to its children.
"""

import importlib
import json
import logging
import os
import socket
import sys
import time
import traceback


class Context:
    def __init__(self, request):
        self.aws_request_id = request["context"]["awsRequestId"]
        self.invoked_function_arn = request["context"]["invokedFunctionArn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self._deadline = request["deadline"]

    def get_remaining_time_in_millis(self):
        return self._deadline - int(time.time() * 1000)


def answer(handler, request):
    try:
        handler(request["event"], Context(request))
        return {"is": "success"}
    except Exception as error:
        traceback.print_exc()
        return {"is": "error", "error": {"errorType": type(error).__name__, "errorMessage": str(error)}}


channel = socket.socket(fileno=int(os.environ.pop("NODE_CHANNEL_FD")))
os.environ.pop("NODE_CHANNEL_SERIALIZATION_MODE", None)


def reply(message):
    sys.stdout.flush()
    sys.stderr.flush()
    channel.sendall(json.dumps(message).encode() + b"\n")


logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))  # as Lambda's runtime does
sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
file, name = os.environ["_HANDLER"].split(".")
handler = getattr(importlib.import_module(file), name)
reply({"is": "ready"})
for line in channel.makefile("r", encoding="utf-8"):
    reply(answer(handler, json.loads(line)))
