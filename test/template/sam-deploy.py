"""What `sam deploy` would deploy, by SAM's own code: all of a run but its calls to AWS.

The argument is a list of runs in JSON: [{"arguments": ["--guided", …], "answers": {parameter: value}}, …]. Answers are typed at the prompts
of --guided; where there is none, only Enter is. Writes for each run {"parameters": {…}, "bucket": …}, or {"error": what SAM says}.
The current directory has template.yaml and samconfig.toml. Runs share it: what one saves, the next one reads.
"""

import json
import sys
from unittest import mock

from click.testing import CliRunner
from samcli.cli.main import cli
from samcli.commands._utils.template import get_template_parameters
from samcli.commands.exceptions import UserException


def typed(answers):
    parameters = get_template_parameters(template_file="template.yaml")
    of_stack, afterwards = [""] * 2, [""] * 20
    return "\n".join([*of_stack, *(answers.get(name, "") for name in parameters), *afterwards])


def deploy(arguments, answers):
    deployed = []

    def package(parameter_overrides, s3_bucket, **_):
        deployed.append({"parameters": parameter_overrides, "bucket": s3_bucket})
        raise UserException("From here on SAM calls AWS.")

    with (
        mock.patch("samcli.commands.deploy.command.manage_stack", return_value="managed"),
        mock.patch("samcli.commands.deploy.guided_context.manage_stack", return_value="managed"),
        mock.patch("samcli.commands.deploy.guided_context.GuidedContext.prompt_image_repository", return_value={}),
        mock.patch("samcli.commands.package.package_context.PackageContext", package),
    ):
        result = CliRunner().invoke(cli, ["deploy", *arguments], input=typed(answers))
    return deployed[0] if deployed else {"error": result.output}


json.dump([deploy(**run) for run in json.loads(sys.argv[1])], sys.stdout)
